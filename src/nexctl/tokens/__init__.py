"""Text, chat requests, tool schemas and images as token counts, each with its exactness."""
