-- Take the next message of each destination that nobody is delivering to. A destination's claim ends by itself when
-- its process dies; the epoch keeps a process that was frozen meanwhile from ending the claim of another. A message
-- that is refused again and again lets newer ones pass, but for those about the same alert: no end before its beginning.
WITH free AS MATERIALIZED (
    SELECT d.id FROM public.alert_destinations d
    WHERE d.is_active AND d.not_before <= clock_timestamp()
      AND (d.claimed_until IS NULL OR d.claimed_until <= clock_timestamp())
      AND EXISTS (
          SELECT FROM public.alert_notifications n WHERE n.destination_id = d.id AND n.status = 'PENDING')
    ORDER BY d.id
    LIMIT :most
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE public.alert_destinations d
    SET claim_epoch = d.claim_epoch + 1, claimed_until = clock_timestamp() + CAST(:claim_for AS interval)
    FROM free WHERE d.id = free.id
    RETURNING d.*
)
SELECT c.id AS destination_id, c.claim_epoch, c.name AS destination_name, c.kind AS destination_kind, c.language,
       c.config, c.secret_ciphertext, c.account_id, c.channel_id,
       n.id, n.occasion, n.attempts, a.kind, a.is_urgent, a.subject_id, a.name, a.detail, a.since, a.resolved_at
FROM claimed c
CROSS JOIN LATERAL (
    SELECT * FROM public.alert_notifications n
    WHERE n.destination_id = c.id AND n.status = 'PENDING'
      AND NOT EXISTS (
          SELECT FROM public.alert_notifications e
          WHERE e.destination_id = c.id AND e.status = 'PENDING' AND e.alert_id = n.alert_id AND e.id < n.id)
    ORDER BY n.attempts, n.id LIMIT 1
) n
JOIN public.alerts a ON a.id = n.alert_id
ORDER BY n.id
