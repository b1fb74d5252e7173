"""Figures, tables and pages made from sessions; what it draws it reads, never computes."""
