-- Keep how this account addresses channels, matched by our own id or else by username or Telegram id; a pair that an
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
        channel_id uuid, username text, tg_id bigint, access_hash bigint, can_post bool, slow_mode_seconds int)
), matched AS MATERIALIZED (
    SELECT DISTINCT ON (m.channel_id) m.* FROM (
        SELECT g.channel_id, g.tg_id, g.access_hash, g.can_post, g.slow_mode_seconds FROM given g
        WHERE g.channel_id IS NOT NULL
        UNION ALL
        SELECT ch.id, g.tg_id, g.access_hash, g.can_post, g.slow_mode_seconds FROM given g
        JOIN public.channels ch ON lower(ch.username) = lower(g.username) AND ch.deleted_at IS NULL
        WHERE g.channel_id IS NULL
        UNION ALL
        SELECT ch.id, g.tg_id, g.access_hash, g.can_post, g.slow_mode_seconds FROM given g
        JOIN public.channels ch ON ch.tg_id = g.tg_id AND ch.username IS NULL AND ch.deleted_at IS NULL
        WHERE g.channel_id IS NULL
    ) m
    ORDER BY m.channel_id
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
        (account_id, channel_id, tg_id, access_hash, can_post, slow_mode_seconds, resolved_at)
    SELECT :account_id, j.channel_id, j.tg_id, j.access_hash, j.can_post, j.slow_mode_seconds, clock_timestamp()
    FROM judged j
    WHERE j.is_kept
    ORDER BY j.channel_id
    ON CONFLICT (account_id, channel_id) DO UPDATE
    SET tg_id = excluded.tg_id, access_hash = excluded.access_hash, can_post = excluded.can_post,
        slow_mode_seconds = excluded.slow_mode_seconds, resolved_at = excluded.resolved_at
)
SELECT channel_id, tg_id, access_hash, can_post, slow_mode_seconds, is_kept FROM judged
