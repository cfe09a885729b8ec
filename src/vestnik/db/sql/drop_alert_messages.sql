-- What waits to be told about an alert that is over, and has not been tried yet, need not be told. Where somebody
-- delivers to a destination at this moment, it may be this very message: then it counts as tried.
WITH free AS MATERIALIZED (
    SELECT d.id FROM public.alert_destinations d
    WHERE d.claimed_until IS NULL OR d.claimed_until <= clock_timestamp()
    ORDER BY d.id
    FOR UPDATE
)
UPDATE public.alert_notifications n SET status = 'DROPPED'
FROM free
WHERE n.alert_id = :alert_id AND n.status = 'PENDING' AND n.attempts = 0 AND n.destination_id = free.id
