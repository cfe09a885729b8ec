-- After all dialogs of an account were read: channels that were among them before and are not any more. Returns how many
-- of ours are gone in all.
WITH marked AS (
    UPDATE public.channel_peers p
    SET gone_since = clock_timestamp()
    FROM public.account_leases l
    WHERE l.account_id = :account_id AND l.epoch = :epoch AND l.lease_until > clock_timestamp()
      AND p.account_id = l.account_id AND p.listed_at IS NOT NULL AND p.gone_since IS NULL
      AND p.tg_id <> ALL (CAST(:seen AS bigint[]))
    RETURNING p.channel_id
)
SELECT count(*)::int AS gone FROM (
    SELECT channel_id FROM marked
    UNION
    SELECT channel_id FROM public.channel_peers
    WHERE account_id = :account_id AND gone_since IS NOT NULL
) g
JOIN public.channels ch ON ch.id = g.channel_id AND ch.deleted_at IS NULL
