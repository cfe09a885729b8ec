"""Old entries of the audit log may go, through one function that writes that they went."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
EXPANDS_ONLY = True


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _let_old_entries_go()
    _add_the_one_way()
    _keep_out_supabase_roles()


def _let_old_entries_go() -> None:
    """A setting that only lives within the function opens the way; entries of the last 30 days never go."""
    op.execute(
        """
        CREATE OR REPLACE FUNCTION public.vestnik_refuse_audit_change() RETURNS trigger
        LANGUAGE plpgsql SET search_path = '' AS $$
        DECLARE
            purging_before timestamptz := nullif(pg_catalog.current_setting('vestnik.purging_before', true), '');
        BEGIN
            IF TG_OP = 'DELETE' AND purging_before IS NOT NULL THEN
                IF TG_LEVEL = 'STATEMENT' THEN
                    RETURN NULL;
                ELSIF OLD.created_at < purging_before
                    AND OLD.created_at < pg_catalog.now() - interval '30 days' THEN
                    RETURN OLD;
                END IF;
            END IF;
            RAISE EXCEPTION 'audit_logs is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER audit_logs_keep_young BEFORE DELETE ON public.audit_logs
        FOR EACH ROW EXECUTE FUNCTION public.vestnik_refuse_audit_change()
        """
    )


def _add_the_one_way() -> None:
    op.execute(
        """
        CREATE FUNCTION public.vestnik_purge_audit(keep_for interval, batch integer) RETURNS integer
        LANGUAGE plpgsql SET search_path = '' AS $$
        DECLARE
            purging_before timestamptz := pg_catalog.now() - keep_for;
            gone integer;
            newest timestamptz;
        BEGIN
            IF keep_for IS NULL OR keep_for < interval '30 days' THEN
                RAISE EXCEPTION 'entries of the audit log are kept for 30 days at least'
                    USING ERRCODE = 'invalid_parameter_value';
            END IF;
            PERFORM pg_catalog.set_config('vestnik.purging_before', purging_before::text, true);
            WITH old AS (
                SELECT id FROM public.audit_logs WHERE created_at < purging_before
                ORDER BY created_at, id LIMIT batch
                FOR UPDATE SKIP LOCKED
            ), deleted AS (
                DELETE FROM public.audit_logs a USING old WHERE a.id = old.id RETURNING a.created_at
            )
            SELECT pg_catalog.count(*), pg_catalog.max(created_at) INTO gone, newest FROM deleted;
            PERFORM pg_catalog.set_config('vestnik.purging_before', '', true);
            IF gone > 0 THEN
                INSERT INTO public.audit_logs (actor_kind, actor, action, entity_type, entity_id, after)
                VALUES ('SYSTEM', 'retention', 'audit.purged', 'audit', 'audit',
                    pg_catalog.jsonb_build_object('entries', gone, 'until', newest));
            END IF;
            RETURN gone;
        END $$
        """
    )


def _keep_out_supabase_roles() -> None:
    op.execute(
        """
        DO $$
        DECLARE exposed text;
        BEGIN
            REVOKE ALL ON FUNCTION public.vestnik_purge_audit(interval, integer) FROM PUBLIC;
            FOR exposed IN SELECT rolname FROM pg_catalog.pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
                EXECUTE pg_catalog.format(
                    'REVOKE ALL ON FUNCTION public.vestnik_purge_audit(interval, integer) FROM %I', exposed);
            END LOOP;
        END $$
        """
    )
