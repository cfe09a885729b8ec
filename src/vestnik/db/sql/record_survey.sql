-- Note how far a command has come that only looks at channels, give it back, or end it; nothing once it is somebody
-- else's. What is given back has no owner and is due again after a moment.
UPDATE public.account_commands k
SET status = :status,
    claim_epoch = CASE WHEN CAST(:delay AS float8) IS NULL THEN k.claim_epoch END,
    not_before = clock_timestamp() + make_interval(secs => coalesce(CAST(:delay AS float8), 0)),
    result = CAST(:result AS jsonb),
    finished_at = CASE WHEN :status <> 'STARTED' THEN clock_timestamp() END
WHERE k.id = :command_id AND k.status = 'STARTED' AND k.claim_epoch = :epoch
RETURNING k.id
