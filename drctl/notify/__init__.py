"""Telling people outside: what happened, through webhooks, mail, and the robots of WeCom and DingTalk."""
