"""The conformance suite: unmodified Telethon over real TCP against the simulator.

What the simulator does NOT simulate, so nothing here (or built on it) proves anything about it:

* logging in: codes, passwords, QR, bot tokens. Keys are given to accounts through the control port, or come
  from a key exchange and stay without an account;
* updates pushed to clients (getDifference is always empty), private chats, Saved Messages, basic groups,
  forums, reactions, comments, scheduled messages, replies, reply markup, polls, forwarding, searching,
  downloading, web page previews, premium, bots' own methods;
* several data centres, migration between them, CDN, temporary keys (PFS), the obfuscated transports, HTTP, web
  sockets, quick acknowledgements, RSA_PAD;
* bad_msg_notification for sequence numbers (codes 32 to 35), answers sent again on msg_resend_req, the order
  that invokeAfterMsg asks for, salts that overlap: only the present one counts;
* validation of photos and videos (any bytes are a photo of 800x600), of entities beyond their bounds, of
  markup; leading white space in a text stays, only that at its end is cut off;
* Telegram's real limits: nobody outside knows them. Flood limits are what a script sets, edits and deletions
  only share the wait; USER_BANNED_IN_CHANNEL, PEER_FLOOD and all other names come from scripted faults only;
* who administers a channel: a right to post goes with the right to edit and delete any message. A channel
  with slow mode is a group, and slow mode holds for everybody in it;
* layers other than that of the Telethon version in use.
"""
