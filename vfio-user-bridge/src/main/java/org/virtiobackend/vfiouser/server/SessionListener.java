package org.virtiobackend.vfiouser.server;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Hears of clients that come and go. Called on session threads; must not block. */
public interface SessionListener {
    /** A client has negotiated and has its function. */
    void connected(ClientSession session);

    /**
     * A client that was connected has gone, and everything of it is freed.
     *
     * @param reason for people
     */
    void disconnected(ClientSession session, String reason);

    /** Writes both to the log. */
    SessionListener LOGGING = new SessionListener() {
        private final Logger log = LoggerFactory.getLogger(VfioUserServer.class);

        @Override
        public void connected(ClientSession session) {
            log.info("client {} connected", session.id());
        }

        @Override
        public void disconnected(ClientSession session, String reason) {
            log.info("client {} disconnected: {}", session.id(), reason);
        }
    };
}
