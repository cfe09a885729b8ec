-- The messages, one for each campaign and channel. Of several for one pair that which went out stands, then one that may
-- have. Nobody knows what became of those that were being sent: they end as UNKNOWN_OUTCOME, as does a status that says
-- nothing, and one that says QUEUED or FAILED beside a time of posting: there a post that was out became FAILED when
-- something went wrong behind it. In a campaign that has ended nothing is queued.
CREATE TEMPORARY TABLE new_jobs ON COMMIT DROP AS
WITH found AS (
    SELECT o.*, c.id AS new_campaign_id, c.status AS campaign_status, c.created_at AS campaign_at, h.kept_id,
           h.kept_id <> h.id AS is_merged, w.meaning,
           CASE WHEN w.meaning = 'SENT' OR (w.meaning IS NULL AND o.sent_at IS NOT NULL) THEN 1
                WHEN w.meaning = 'SENDING' OR w.meaning IS NULL THEN 2
                WHEN w.meaning IN ('QUEUED', 'FAILED') AND o.sent_at IS NOT NULL THEN 2
                WHEN w.meaning = 'QUEUED' THEN 3 WHEN w.meaning = 'FAILED' THEN 4 ELSE 5 END AS rank
    FROM old_jobs o
    LEFT JOIN new_campaigns c ON c.legacy_id = o.campaign_id AND c.reason IS NULL
    LEFT JOIN new_channels h ON h.legacy_id = o.channel_id AND h.kept_id IS NOT NULL
    LEFT JOIN adopt_words w ON w.kind = 'JOB' AND w.word = upper(btrim(o.status))
), counted AS (
    SELECT f.*, row_number() OVER (
               PARTITION BY f.new_campaign_id, f.kept_id ORDER BY f.rank, f.is_merged, f.place) AS copy
    FROM found f
), judged AS (
    SELECT c.*,
           CASE WHEN c.new_campaign_id IS NULL THEN 'NO_CAMPAIGN' WHEN c.kept_id IS NULL THEN 'NO_CHANNEL'
                WHEN c.copy > 1 THEN 'DUPLICATE_JOB'
                WHEN c.campaign_status IN ('DRAFT', 'SCHEDULED') THEN 'NOT_STARTED' END AS reason,
           CASE c.rank WHEN 1 THEN 'SENT' WHEN 2 THEN 'FAILED' WHEN 4 THEN 'FAILED' WHEN 5 THEN 'CANCELLED'
                ELSE CASE WHEN c.campaign_status = 'PAUSED' THEN 'QUEUED' ELSE 'CANCELLED' END END AS new_status
    FROM counted c
)
SELECT j.place, j.tid, j.id AS legacy_id, j.reason, j.new_campaign_id AS campaign_id, j.kept_id AS channel_id,
       j.campaign_at, j.new_status AS status, j.rank = 2 AS maybe_sent,
       CASE WHEN btrim(j.attempts) ~ '^[0-9]{1,9}$' THEN least(btrim(j.attempts)::int, 32767) ELSE 0 END AS attempts,
       CASE WHEN j.rank = 1 AND btrim(j.message_id) ~ '^[0-9]{1,18}$' THEN ARRAY[btrim(j.message_id)::bigint]
            END AS message_ids,
       CASE WHEN j.rank = 2 THEN 'UNKNOWN_OUTCOME'
            WHEN j.rank = 4 THEN coalesce(nullif(btrim(j.error_code), ''),
                substring(j.error_message FROM '[A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z]'), 'UNKNOWN') END AS error_code,
       CASE WHEN j.rank = 2 THEN format(CASE WHEN j.sent_at IS NULL
                THEN 'The predecessor was stopped when it was %s; whether it was posted is not known.'
                ELSE 'In the predecessor it was %s and had a time of posting; whether it was posted is not known.' END,
                coalesce(nullif(upper(btrim(j.status)), ''), 'UNKNOWN'))
            WHEN j.new_status <> 'SENT' THEN j.error_message END AS error_message,
       j.started_at,
       CASE WHEN j.rank = 1 THEN coalesce(j.sent_at, j.updated_at, j.started_at, j.created_at, now()) END AS sent_at,
       CASE WHEN j.rank IN (2, 4)
            THEN coalesce(j.failed_at, j.updated_at, j.started_at, j.created_at, now()) END AS failed_at,
       CASE WHEN j.is_merged OR j.rank IN (2, 3) OR j.meaning IS NULL THEN array_remove(ARRAY[
           CASE WHEN j.meaning = 'SENDING' THEN 'SENDING_TO_UNKNOWN_OUTCOME' END,
           CASE WHEN j.meaning = 'QUEUED' AND j.rank = 2 THEN 'QUEUED_WITH_A_TIME_OF_POSTING' END,
           CASE WHEN j.meaning = 'FAILED' AND j.rank = 2 THEN 'FAILED_WITH_A_TIME_OF_POSTING' END,
           CASE WHEN j.meaning IS NULL THEN 'STATUS_UNKNOWN' END,
           CASE WHEN j.rank = 3 AND j.new_status = 'CANCELLED' THEN 'QUEUED_OF_AN_ENDED_CAMPAIGN' END,
           CASE WHEN j.is_merged THEN 'CHANNEL_MERGED' END
       ], NULL) ELSE '{}' END AS changes
FROM judged j
