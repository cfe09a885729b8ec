-- Put failed jobs of a campaign back into the queue under their own random_id. The caller holds the campaign's row
-- lock. Without named codes all are taken but those whose outcome is unknown: these might double what is out
-- already if Telegram ever forgot a random_id, so a person has to name them. Inactive channels are skipped, and
-- entries that lead to a Telegram channel which another job of the campaign has reached or is going to.
-- claims = 1, not 0: a returned job is found by its own index, wherever the cursor of fresh ones stands.
WITH candidate AS MATERIALIZED (
    SELECT j.id, p.tg_id, j.maybe_sent,
           ch.is_active AND ch.deleted_at IS NULL AND coalesce(p.is_active, true)
           AND NOT EXISTS (
               SELECT FROM public.channel_peers o
               JOIN public.jobs r ON r.campaign_id = j.campaign_id AND r.channel_id = o.channel_id
               WHERE o.account_id = j.account_id AND o.tg_id = p.tg_id AND o.channel_id <> j.channel_id
                 AND (r.status IN ('QUEUED', 'SENDING', 'SENT') OR r.maybe_sent)) AS is_sendable
    FROM public.jobs j
    JOIN public.channels ch ON ch.id = j.channel_id
    LEFT JOIN public.channel_peers p ON p.account_id = j.account_id AND p.channel_id = j.channel_id
    WHERE j.campaign_id = :campaign_id AND j.queue_part = 'FAILED'
      AND CASE WHEN CAST(:codes AS text[]) IS NULL THEN j.error_code IS DISTINCT FROM 'UNKNOWN_OUTCOME'
               ELSE j.error_code = ANY (CAST(:codes AS text[])) END
), chosen AS MATERIALIZED (
    SELECT k.id FROM (
        SELECT id, tg_id, row_number() OVER (PARTITION BY tg_id ORDER BY maybe_sent DESC, id) AS place
        FROM candidate WHERE is_sendable
    ) k
    WHERE k.tg_id IS NULL OR k.place = 1
), locked AS MATERIALIZED (
    SELECT j.id FROM public.jobs j
    JOIN chosen k ON k.id = j.id
    WHERE j.status = 'FAILED'
    ORDER BY j.id
    FOR NO KEY UPDATE OF j
), moved AS (
    UPDATE public.jobs j
    SET status = 'QUEUED', attempts = 0, claims = 1, not_before = clock_timestamp(), error_code = NULL,
        error_message = NULL, failed_at = NULL
    FROM locked l
    WHERE j.id = l.id
    RETURNING j.id
), progress AS (
    UPDATE public.campaign_progress p
    SET queued = p.queued + m.n, failed = p.failed - m.n, brake_sent = p.sent, brake_failed = p.failed - m.n,
        version = p.version + 1, updated_at = clock_timestamp()
    FROM (SELECT count(*)::int AS n FROM moved) m
    WHERE p.campaign_id = :campaign_id AND m.n > 0
)
SELECT (SELECT count(*) FROM moved)::int AS reopened,
       (SELECT count(*) FROM candidate WHERE id NOT IN (SELECT id FROM chosen))::int AS skipped
