"""The report of an export as one HTML page that needs nothing beside it."""
