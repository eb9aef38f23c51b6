"""From a folder's records to a page with all of them, one file a kind of job."""
