"""Whether a map can be trusted: localisation on annotated pictures, faithfulness, sanity; figures with intervals, and a report."""
