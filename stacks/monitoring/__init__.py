"""Alarms and the dashboard.

To add an alarm, yield its definition in `pipeline_alarms`, `database_alarms` or `cache_alarms`; a test then
asks for a graph of its metric in `dashboard_sections`.
"""
