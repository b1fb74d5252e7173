"""Checking a stimulus library: what is known of its movies, and drafts of what is missing."""
