-- The audit log. Its details are taken over where nothing in them looks like a secret; the whole rows stay in the
-- predecessor's table.
CREATE TEMPORARY TABLE new_audit_logs ON COMMIT DROP AS
WITH read AS (
    SELECT o.*, u.email, o.details::text ~* '(passw|token|session|secret|phone|hash|cookie|credential|code)' AS is_delicate
    FROM old_audit_logs o
    LEFT JOIN new_users u ON u.legacy_id = o.user_id AND coalesce(u.reason, '') <> 'DUPLICATE_ID'
)
SELECT r.place, r.tid, r.id AS legacy_id, CAST(NULL AS text) AS reason,
       coalesce(r.created_at, now()) AS created_at,
       CASE WHEN r.user_id IS NULL THEN 'SYSTEM' ELSE 'USER' END AS actor_kind,
       CASE WHEN r.user_id IS NULL THEN 'predecessor' ELSE coalesce(nullif(r.email, ''), 'user ' || r.user_id) END AS actor,
       'predecessor.' || coalesce(nullif(trim(BOTH '_' FROM left(lower(
           regexp_replace(r.action, '[^A-Za-z0-9]+', '_', 'g')), 100)), ''), 'unknown') AS action,
       coalesce(nullif(lower(left(btrim(r.entity_type), 100)), ''), 'unknown') AS entity_type,
       coalesce(left(r.entity_id, 200), '') AS entity_id,
       CASE WHEN r.details IS NULL THEN NULL WHEN r.is_delicate THEN '{"details": "left out"}'::jsonb
            ELSE jsonb_build_object('details', r.details) END AS after,
       left(btrim(r.address), 100) AS address,
       CASE WHEN r.is_delicate THEN ARRAY['DETAILS_LEFT_OUT'] ELSE '{}' END AS changes
FROM read r
