-- Channels of ours that Telegram shows under other names than ours, told by the id that the account knows them by.
-- Left alone where the new name, or without any the bare id, already is another channel of ours. What a rehearsal sees
-- is made up. Of two channels of ours that are one on Telegram the first gets the name.
SELECT DISTINCT ON (g.tg_id) ch.id AS channel_id, ch.username AS old_name, g.username AS new_name, g.tg_id
FROM jsonb_to_recordset(CAST(:peers AS jsonb)) AS g (tg_id bigint, username text, names text[])
JOIN public.accounts a ON a.id = :account_id AND a.kind <> 'SIMULATED'
JOIN public.channel_peers p ON p.account_id = a.id AND p.tg_id = g.tg_id
JOIN public.channels ch ON ch.id = p.channel_id AND ch.deleted_at IS NULL AND ch.username IS NOT NULL
WHERE g.names IS NOT NULL
  AND NOT EXISTS (SELECT FROM unnest(g.names) AS n (name) WHERE lower(n.name) = lower(ch.username))
  AND NOT EXISTS (
      SELECT FROM public.channels o
      WHERE o.deleted_at IS NULL AND o.id <> ch.id
        AND CASE WHEN g.username IS NULL THEN o.username IS NULL AND o.tg_id = g.tg_id
                 ELSE lower(o.username) = lower(g.username) END)
ORDER BY g.tg_id, ch.id
