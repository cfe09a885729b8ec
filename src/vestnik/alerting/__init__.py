"""Alerts: watched for by every long-lived process, and delivered to those who are to be told."""
