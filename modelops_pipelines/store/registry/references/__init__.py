"""What windows and new rows of a version are compared with: kept in files, so that neither needs the registry."""
