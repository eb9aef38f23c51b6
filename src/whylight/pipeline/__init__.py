"""From pictures to explanations, any number of them: opened ahead, asked in batches, one picture's failure its own."""
