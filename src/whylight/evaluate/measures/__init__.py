"""The measures of faithfulness, one file each."""
