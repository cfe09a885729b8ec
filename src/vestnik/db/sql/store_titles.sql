-- Keep the titles of channels as Telegram gives them, where nobody has given one; never those of a rehearsal, which
-- are made up. A row that somebody else is changing gets its title another time: nothing here may wait.
WITH due AS MATERIALIZED (
    SELECT ch.id, g.title
    FROM jsonb_to_recordset(CAST(:titles AS jsonb)) AS g (tg_id bigint, title text)
    JOIN public.accounts a ON a.id = :account_id AND a.kind <> 'SIMULATED'
    JOIN public.channel_peers p ON p.account_id = a.id AND p.tg_id = g.tg_id
    JOIN public.channels ch ON ch.id = p.channel_id AND ch.title IS NULL AND ch.deleted_at IS NULL
    ORDER BY ch.id
    FOR NO KEY UPDATE OF ch SKIP LOCKED
)
UPDATE public.channels ch
SET title = d.title, telegram_title = d.title, updated_at = clock_timestamp()
FROM due d
WHERE ch.id = d.id
