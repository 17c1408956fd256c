"""The admin site: metrics, health, the API and the live page of one daemon."""
