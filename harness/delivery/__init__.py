"""Who hands what to whom: deliveries, retries and dead letters."""
