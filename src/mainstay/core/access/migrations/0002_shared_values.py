from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("access", "0001_tenants_people_and_keys")]

    operations = [
        migrations.CreateModel(
            name="SharedValue",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("value", models.TextField()),
                ("expires_at", models.DateTimeField()),
            ],
            options={
                "db_table": "access_shared_value",
                "indexes": [models.Index(fields=["expires_at"], name="access_shared_value_expiry")],
            },
        ),
    ]
