-- Keep what a preflight found of some channels; what an interrupted run found of them before is replaced. The report is
-- locked first: one that is being replaced or deleted in this moment is then seen to be gone, instead of breaking the
-- reference to it.
WITH report AS MATERIALIZED (
    SELECT id FROM public.preflights WHERE id = :preflight_id FOR KEY SHARE
)
INSERT INTO public.preflight_channels AS x (preflight_id, channel_id, position, verdict, code, detail, at)
SELECT f.id, r.channel_id, r.position, r.verdict, r.code, r.detail, r.at
FROM report f,
     jsonb_to_recordset(CAST(:findings AS jsonb)) AS r (
         channel_id uuid, position bigint, verdict text, code text, detail text, at timestamptz)
ON CONFLICT (preflight_id, channel_id) DO UPDATE
SET position = excluded.position, verdict = excluded.verdict, code = excluded.code, detail = excluded.detail,
    at = excluded.at
