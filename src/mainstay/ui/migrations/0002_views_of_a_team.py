from django.db import migrations, models


class Migration(migrations.Migration):
    """A view may be for the people of one organisation, be their default, and remember how dense it is shown."""

    dependencies = [("ui", "0001_saved_views_and_first_answers")]

    operations = [
        migrations.AlterField(
            "savedview",
            "visibility",
            models.CharField(choices=[("me", "only me"), ("team", "my team"), ("all", "everybody here")], default="me", max_length=4),
        ),
        migrations.AddField("savedview", "team", models.UUIDField(null=True)),
        migrations.AddField("savedview", "is_team_default", models.BooleanField(default=False)),
        migrations.AddField("savedview", "density", models.CharField(blank=True, default="", max_length=11), preserve_default=False),
        migrations.AddConstraint(
            "savedview",
            models.UniqueConstraint(
                fields=["tenant", "list", "team"], condition=models.Q(("is_team_default", True)), name="ui_saved_view_one_team_default"
            ),
        ),
    ]
