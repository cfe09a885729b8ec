-- Keep how this account addresses channels, matched by our own id or else by any of its usernames or
-- its Telegram id; a pair that an
-- operator or an error deactivated stays inactive.
-- An address that would make two of our channels the same Telegram channel is only answered, not kept: the caller has
-- to end the second job of every campaign in the same transaction (`settle` is true then). All others are kept at
-- once, without waiting for any campaign. The lease fences former holders, so nobody else stores addresses meanwhile.
WITH lease AS MATERIALIZED (
    SELECT account_id FROM public.account_leases
    WHERE account_id = :account_id AND epoch = :epoch AND lease_until > clock_timestamp()
    FOR SHARE
), given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(CAST(:peers AS jsonb)) AS r (
        channel_id uuid, names text[], tg_id bigint, access_hash bigint, can_post bool, slow_mode_seconds int,
        forbidden text[], member_count int, is_listed bool)
), matched AS MATERIALIZED (
    SELECT DISTINCT ON (m.found_id)
           m.found_id AS channel_id, m.tg_id, m.access_hash, m.can_post, m.slow_mode_seconds, m.forbidden,
           m.member_count, m.is_listed
    FROM (
        SELECT g.channel_id AS found_id, g.* FROM given g
        WHERE g.channel_id IS NOT NULL
        UNION ALL
        SELECT ch.id, g.* FROM given g
        CROSS JOIN LATERAL unnest(g.names) AS n (name)
        JOIN public.channels ch ON lower(ch.username) = lower(n.name) AND ch.deleted_at IS NULL
        WHERE g.channel_id IS NULL
        UNION ALL
        SELECT ch.id, g.* FROM given g
        JOIN public.channels ch ON ch.tg_id = g.tg_id AND ch.username IS NULL AND ch.deleted_at IS NULL
        WHERE g.channel_id IS NULL
    ) m
    ORDER BY m.found_id
), judged AS MATERIALIZED (
    SELECT m.*,
           CAST(:settle AS bool)
           OR EXISTS (SELECT FROM public.channel_peers p
                      WHERE p.account_id = :account_id AND p.channel_id = m.channel_id AND p.tg_id = m.tg_id)
           OR NOT EXISTS (SELECT FROM matched o WHERE o.tg_id = m.tg_id AND o.channel_id <> m.channel_id)
              AND NOT EXISTS (SELECT FROM public.channel_peers p
                              WHERE p.account_id = :account_id AND p.tg_id = m.tg_id AND p.channel_id <> m.channel_id)
           AS is_kept
    FROM matched m JOIN lease ON true
), kept AS (
    INSERT INTO public.channel_peers AS p
        (account_id, channel_id, tg_id, access_hash, can_post, slow_mode_seconds, forbidden, member_count, listed_at,
         resolved_at)
    SELECT :account_id, j.channel_id, j.tg_id, j.access_hash, j.can_post, j.slow_mode_seconds, j.forbidden,
           j.member_count, CASE WHEN j.is_listed THEN clock_timestamp() END, clock_timestamp()
    FROM judged j
    WHERE j.is_kept
    ORDER BY j.channel_id
    ON CONFLICT (account_id, channel_id) DO UPDATE
    SET tg_id = excluded.tg_id, access_hash = excluded.access_hash, can_post = excluded.can_post,
        -- A list tells only that there is a slow mode; how slow it is was asked for, perhaps.
        slow_mode_seconds = CASE WHEN p.tg_id = excluded.tg_id AND excluded.slow_mode_seconds IS NOT NULL
            THEN greatest(p.slow_mode_seconds, excluded.slow_mode_seconds) ELSE excluded.slow_mode_seconds END,
        forbidden = excluded.forbidden,
        member_count = coalesce(excluded.member_count, CASE WHEN p.tg_id = excluded.tg_id THEN p.member_count END),
        details_at = CASE WHEN p.tg_id = excluded.tg_id THEN p.details_at END,
        listed_at = coalesce(excluded.listed_at, p.listed_at),
        gone_since = CASE WHEN excluded.listed_at IS NULL AND NOT excluded.can_post THEN p.gone_since END,
        resolved_at = excluded.resolved_at
)
SELECT channel_id, tg_id, access_hash, can_post, slow_mode_seconds, forbidden, member_count, is_listed, is_kept
FROM judged
