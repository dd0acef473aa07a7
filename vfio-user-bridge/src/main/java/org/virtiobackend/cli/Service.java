package org.virtiobackend.cli;

/**
 * What a serving command made of its options: ready to listen.
 *
 * @param export belongs to whoever has the service, who closes it
 * @param queues of one device that keep a thread busy, at least 1
 * @param tree all that its threads need once it serves, beside what is open; null: any file
 */
record Service(Export export, ServeOptions options, int queues, FsSandbox.Tree tree) {
    Service(Export export, ServeOptions options, int queues) {
        this(export, options, queues, FsSandbox.Tree.NONE);
    }
}
