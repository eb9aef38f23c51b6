"""Maps of any number of pictures in one place: a plan, numbered parts in Parquet, and what makes of them explanations again."""
