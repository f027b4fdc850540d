"""The service's own database: repositories, the documents of their aggregates, and the indexes that they need."""
