-- A delivery goes on.
UPDATE public.alert_destinations SET claimed_until = clock_timestamp() + CAST(:claim_for AS interval)
WHERE id = :destination_id AND claim_epoch = :epoch
