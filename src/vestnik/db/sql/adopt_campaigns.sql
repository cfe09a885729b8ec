-- The campaigns, with what they are here. Nothing goes on by itself: what ran is paused. One that had begun posting is no
-- draft, and one that had not is one again, whatever it was called: its start makes its messages.
CREATE TEMPORARY TABLE new_campaigns ON COMMIT DROP AS
WITH jobs AS (
    SELECT o.campaign_id, count(*) AS total, count(*) FILTER (WHERE w.meaning IS DISTINCT FROM 'QUEUED'
                                                                OR o.sent_at IS NOT NULL) AS begun,
           min(coalesce(o.started_at, o.sent_at)) AS started_at,
           max(coalesce(o.sent_at, o.failed_at)) AS last_at
    FROM old_jobs o
    LEFT JOIN adopt_words w ON w.kind = 'JOB' AND w.word = upper(btrim(o.status))
    GROUP BY o.campaign_id
), read AS (
    SELECT o.*, b.id AS new_batch_id, t.id AS new_template_id, t.frozen, s.meaning AS told, m.meaning AS known_mode,
           coalesce(j.total, 0) AS total, coalesce(j.begun, 0) AS begun, j.started_at AS first_at, j.last_at,
           CASE WHEN btrim(o.delivery_rate) ~ '^[0-9]{1,9}(\.[0-9]+)?$'
                THEN nullif(btrim(o.delivery_rate)::numeric, 0) END AS old_rate,
           CASE WHEN btrim(o.retry_limit) ~ '^[0-9]{1,6}$' THEN btrim(o.retry_limit)::int END AS retries,
           row_number() OVER (PARTITION BY o.id ORDER BY o.place) AS copy
    FROM old_campaigns o
    LEFT JOIN new_batches b ON b.legacy_id = o.batch_id AND b.reason IS NULL
    LEFT JOIN new_templates t ON t.legacy_id = o.template_id AND t.reason IS NULL
    LEFT JOIN jobs j ON j.campaign_id = o.id
    LEFT JOIN adopt_words s ON s.kind = 'CAMPAIGN' AND s.word = upper(btrim(o.status))
    LEFT JOIN adopt_words m ON m.kind = 'MODE' AND m.word = upper(btrim(o.mode))
), judged AS (
    SELECT r.*,
           CASE WHEN r.told IN ('COMPLETED', 'CANCELLED', 'FAILED') THEN r.told
                WHEN r.told IN ('RUNNING', 'PAUSED') AND r.total > 0 THEN 'PAUSED'
                WHEN r.begun > 0 THEN 'PAUSED'
                WHEN r.told = 'SCHEDULED' AND r.scheduled_at IS NOT NULL THEN 'SCHEDULED'
                ELSE 'DRAFT' END AS new_status,
           CAST(round(coalesce(r.old_rate, 20) / CAST(:per AS int), 3) AS numeric) AS pace
    FROM read r
)
SELECT j.place, j.tid, j.id AS legacy_id,
       CASE WHEN j.id IS NULL THEN 'NO_ID' WHEN length(j.id) > 200 THEN 'ID_TOO_LONG'
            WHEN j.copy > 1 THEN 'DUPLICATE_ID' WHEN j.new_batch_id IS NULL THEN 'NO_BATCH'
            WHEN j.new_template_id IS NULL THEN 'NO_TEMPLATE' END AS reason,
       CASE WHEN j.id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN j.id::uuid ELSE gen_random_uuid() END AS id,
       coalesce(nullif(left(btrim(j.name), 200), ''), 'Campaign ' || j.id) AS name,
       j.new_batch_id AS batch_id, j.new_template_id AS template_id, coalesce(j.known_mode, 'TEST') AS mode, j.new_status AS status,
       CASE WHEN j.new_status = 'PAUSED' THEN format('Taken over from the predecessor, where it was %s.',
                                                  coalesce(upper(btrim(j.status)), 'UNKNOWN')) END AS status_detail,
       least(greatest(j.pace, 0.001), 1000) AS delivery_rate, least(coalesce(j.retries, 3), 20) AS retry_limit,
       CASE WHEN j.new_status NOT IN ('DRAFT', 'SCHEDULED') THEN j.frozen END AS content,
       CASE WHEN j.new_status = 'SCHEDULED' THEN j.scheduled_at END AS scheduled_at,
       CASE WHEN j.new_status NOT IN ('DRAFT', 'SCHEDULED')
            THEN coalesce(j.started_at, j.first_at, j.created_at, now()) END AS started_at,
       CASE WHEN j.new_status NOT IN ('DRAFT', 'SCHEDULED')
            THEN coalesce(j.started_at, j.first_at, j.created_at, now()) END AS expanded_at,
       CASE WHEN j.new_status IN ('COMPLETED', 'CANCELLED', 'FAILED')
            THEN coalesce(j.completed_at, j.last_at, j.updated_at, now()) END AS ended_at,
       coalesce(j.created_at, now()) AS created_at, coalesce(j.updated_at, j.created_at, now()) AS updated_at,
       array_remove(ARRAY[
           CASE WHEN j.told = 'RUNNING' AND j.new_status = 'PAUSED' THEN 'RUNNING_TO_PAUSED' END,
           CASE WHEN j.told IN ('RUNNING', 'PAUSED') AND j.new_status = 'DRAFT' THEN 'NOTHING_TO_SEND_TO_DRAFT' END,
           CASE WHEN j.told IN ('DRAFT', 'SCHEDULED') AND j.new_status = 'PAUSED' THEN 'BEGUN_TO_PAUSED' END,
           CASE WHEN j.told = 'SCHEDULED' AND j.new_status = 'DRAFT' THEN 'NO_TIME_TO_DRAFT' END,
           CASE WHEN j.new_status = 'SCHEDULED' THEN 'STAYS_SCHEDULED' END,
           CASE WHEN j.told IS NULL THEN 'STATUS_UNKNOWN' END,
           CASE WHEN j.known_mode IS NULL THEN 'MODE_UNKNOWN_TO_TEST' END,
           CASE WHEN j.old_rate IS NULL THEN 'RATE_UNKNOWN' WHEN CAST(:per AS int) > 1 THEN 'RATE_DIVIDED' END,
           CASE WHEN j.old_rate IS NOT NULL AND j.pace NOT BETWEEN 0.001 AND 1000 THEN 'RATE_LIMITED' END
       ], NULL) AS changes
FROM judged j
