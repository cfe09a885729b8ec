-- Make a restored backup harmless: nothing goes out by itself, and nobody from before the restore speaks any more.
-- Locks in the order lease, campaigns, commands (the count of leases makes campaigns wait for them).
-- An epoch must be above every one that was ever handed out, also after the backup was made, which nobody knows any
-- more. The seconds since 1970 are: each acquisition raises an epoch by one, and there is less than one a second.
-- Direct posts that were open may have gone out since the backup was made; their outcome is unknown.
WITH lease AS (
    INSERT INTO public.account_leases AS l (account_id, holder, epoch, lease_until)
    SELECT id, 'nobody since a restore', extract(epoch FROM clock_timestamp())::bigint, '-infinity'
    FROM public.accounts ORDER BY id
    ON CONFLICT (account_id) DO UPDATE
    SET holder = excluded.holder, epoch = greatest(l.epoch + 1, excluded.epoch), lease_until = excluded.lease_until
    RETURNING account_id
), locked AS MATERIALIZED (
    SELECT c.id, c.name, c.status FROM public.campaigns c
    WHERE c.status = ANY (CAST(:statuses AS text[])) AND (SELECT count(*) FROM lease) >= 0
    ORDER BY c.id
    FOR NO KEY UPDATE
), paused AS (
    UPDATE public.campaigns c
    SET status = :restored_status, pause_reason = 'RESTORED',
        status_detail = format('A backup was restored; the campaign was %s when it was made.', l.status),
        revision = c.revision + 1, updated_at = clock_timestamp()
    FROM locked l
    WHERE c.id = l.id
), command AS MATERIALIZED (
    SELECT k.id FROM public.account_commands k
    WHERE k.status IN ('PENDING', 'STARTED') AND (SELECT count(*) FROM locked) >= 0
    ORDER BY k.id
    FOR NO KEY UPDATE
), ended AS (
    UPDATE public.account_commands k
    SET status = 'FAILED', payload_ciphertext = NULL, finished_at = clock_timestamp(),
        result = coalesce(k.result, '{}') || jsonb_build_object(
            'error_code', CASE WHEN k.kind IN ('SYNC', 'PREFLIGHT') THEN 'INTERRUPTED' ELSE 'UNKNOWN_OUTCOME' END,
            'error_message', NULL)
    FROM command c
    WHERE k.id = c.id
)
SELECT (SELECT count(*) FROM lease)::int AS accounts,
       (SELECT count(*) FROM command)::int AS commands,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'name', name, 'status', status) ORDER BY name, id), '[]')
        FROM locked) AS campaigns
