"""What files say of a machine that has not joined yet."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("console", "0001_files_that_configure")]

    operations = [migrations.AddField(model_name="managed", name="waiting", field=models.JSONField(null=True))]
