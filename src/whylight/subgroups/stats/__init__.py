"""How sure a figure of a group is: intervals, tests, families of tests, shrinkage, sample sizes. Arrays in, arrays out."""
