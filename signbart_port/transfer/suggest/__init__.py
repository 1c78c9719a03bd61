"""Drafts of mappings: rules for names that no mapping knows."""
