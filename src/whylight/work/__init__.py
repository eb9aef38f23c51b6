"""What each kind of job does with its pictures, one file a kind; `jobs` knows the rest."""
