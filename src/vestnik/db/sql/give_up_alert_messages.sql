-- A message that could not be delivered for that long is no news any more.
UPDATE public.alert_notifications SET status = 'FAILED'
WHERE status = 'PENDING' AND created_at < clock_timestamp() - CAST(:after AS interval)
