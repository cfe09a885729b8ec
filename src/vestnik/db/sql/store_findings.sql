-- Keep what a preflight found of some channels; what an interrupted run found of them before is replaced.
INSERT INTO public.preflight_channels AS x (preflight_id, channel_id, position, verdict, code, detail, at)
SELECT f.id, r.channel_id, r.position, r.verdict, r.code, r.detail, r.at
FROM public.preflights f,
     jsonb_to_recordset(CAST(:findings AS jsonb)) AS r (
         channel_id uuid, position bigint, verdict text, code text, detail text, at timestamptz)
WHERE f.id = :preflight_id
ON CONFLICT (preflight_id, channel_id) DO UPDATE
SET position = excluded.position, verdict = excluded.verdict, code = excluded.code, detail = excluded.detail,
    at = excluded.at
