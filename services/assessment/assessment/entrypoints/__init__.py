"""What assessment can be asked for, by aggregate: by call, and by message where no caller waits."""
