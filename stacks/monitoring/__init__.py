"""Alarms and dashboard."""
