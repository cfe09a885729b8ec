-- Started campaigns of the same mode that post the same text with the same files. A file that is still to be fetched from
-- an address cannot be compared; then the text alone counts.
SELECT c.id FROM public.campaigns c
WHERE c.id <> :campaign_id AND c.mode = :mode AND c.content IS NOT NULL AND c.deleted_at IS NULL
  AND c.content ->> 'source' = :source AND c.content ->> 'parse_mode' IS NOT DISTINCT FROM CAST(:parse_mode AS text)
  AND (CAST(:files AS jsonb) IS NULL
       OR jsonb_path_query_array(c.content, '$.files[*].sha256') = CAST(:files AS jsonb))
ORDER BY c.started_at DESC NULLS LAST
LIMIT 1000
