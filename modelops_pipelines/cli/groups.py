"""Groups of commands in which the most frequent command may be left out."""

import click


class DefaultCommandGroup(click.Group):
    """A group whose command ``default`` may be left out: ``modelops drift ENDPOINT`` is ``drift show ENDPOINT``."""

    default = "show"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command before arguments that begin with none."""
        if not args or args[0] not in {*self.commands, *ctx.help_option_names}:
            args = [self.default, *args]
        return super().parse_args(ctx, args)
