-- The next channels of a campaign's batch, in its order, with all that is known of each and of the account in it.
-- Posts are found by the index of a channel's jobs: the last one of the account only where a slow mode makes it matter,
-- and the last one with the same content.
SELECT bc.channel_id, bc.position, ch.username, ch.title, ch.tg_id,
       ch.is_active AND ch.deleted_at IS NULL AND coalesce(p.is_active, true) AS is_active,
       CASE WHEN NOT ch.is_active THEN ch.inactive_reason ELSE p.inactive_reason END AS inactive_reason,
       p.access_hash IS NOT NULL AS is_found, p.can_post, p.forbidden, p.gone_since, p.hold_until,
       p.slow_mode_seconds, last.at AS last_post_at, same.sent_at AS same_content_at, same.name AS same_content_campaign,
       EXISTS (
           SELECT FROM public.channel_peers o
           JOIN public.batch_channels ob ON ob.batch_id = :batch_id AND ob.channel_id = o.channel_id
           JOIN public.channels oc ON oc.id = o.channel_id AND oc.is_active AND oc.deleted_at IS NULL
           WHERE o.account_id = :account_id AND o.tg_id = p.tg_id AND o.is_active AND ob.position < bc.position) AS is_twin,
       clock_timestamp() AS read_at
FROM (
    SELECT channel_id, position FROM public.batch_channels
    WHERE batch_id = :batch_id AND position > :after
    ORDER BY position LIMIT :page
) bc
JOIN public.channels ch ON ch.id = bc.channel_id
LEFT JOIN public.channel_peers p ON p.account_id = :account_id AND p.channel_id = bc.channel_id
LEFT JOIN LATERAL (
    SELECT max(j.sent_at) AS at FROM public.jobs j
    WHERE p.slow_mode_seconds IS NOT NULL AND j.channel_id = bc.channel_id AND j.account_id = :account_id
      AND j.status = 'SENT'
) last ON true
LEFT JOIN LATERAL (
    SELECT j.sent_at, c.name FROM public.jobs j
    JOIN public.campaigns c ON c.id = j.campaign_id
    WHERE j.channel_id = bc.channel_id AND j.campaign_id = ANY (CAST(:same_content AS uuid[])) AND j.status = 'SENT'
    ORDER BY j.sent_at DESC LIMIT 1
) same ON true
ORDER BY bc.position
