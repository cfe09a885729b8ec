"""PostgreSQL: sessions, models, repositories, hot SQL, migrations and the embedded server."""
