-- Write what became of a message, and leave the destination to the next. A delivery is a fact, whoever has the claim
-- by now; a failure counts only for the claim that it belongs to. A message that only some of those at a destination
-- got is told, and a failure all the same: it is not repeated, and nothing waits for it.
WITH destination AS MATERIALIZED (
    SELECT d.id, d.claim_epoch = :epoch AS is_mine FROM public.alert_destinations d
    WHERE d.id = :destination_id
    FOR UPDATE
), told AS (
    UPDATE public.alert_notifications n
    SET status = CASE WHEN CAST(:is_told AS bool) THEN 'SENT' ELSE n.status END,
        sent_at = CASE WHEN CAST(:is_told AS bool) THEN clock_timestamp() ELSE n.sent_at END,
        error = CAST(:error AS text),
        attempts = n.attempts + CAST(:is_failure AS bool)::int
    FROM destination d
    WHERE n.id = :id AND n.status = 'PENDING' AND (d.is_mine OR CAST(:is_told AS bool))
    RETURNING n.alert_id
), alert AS (
    UPDATE public.alerts a SET notified_at = clock_timestamp()
    FROM told t WHERE a.id = t.alert_id AND CAST(:is_told AS bool)
)
UPDATE public.alert_destinations d
SET claimed_until = NULL,
    failures = CASE WHEN CAST(:error AS text) IS NULL THEN 0 ELSE d.failures + 1 END,
    failing_since = CASE WHEN CAST(:error AS text) IS NULL THEN NULL
                         ELSE coalesce(d.failing_since, clock_timestamp()) END,
    last_error = coalesce(CAST(:error AS text), d.last_error),
    last_error_at = CASE WHEN CAST(:error AS text) IS NULL THEN d.last_error_at ELSE clock_timestamp() END,
    last_success_at = CASE WHEN CAST(:is_told AS bool) THEN clock_timestamp() ELSE d.last_success_at END,
    not_before = clock_timestamp() + make_interval(secs => least(
        CAST(:first_retry AS float8) * power(2, least(d.failures, 20)), CAST(:longest_retry AS float8))
        * (NOT CAST(:is_told AS bool))::int)
FROM destination m
WHERE d.id = m.id AND m.is_mine
