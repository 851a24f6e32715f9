"""The app's pages, one file each: what is on it, and what its widgets do."""
