package org.virtiobackend.cli;

import picocli.CommandLine.IVersionProvider;

/** The version that the jar carries. */
final class VersionProvider implements IVersionProvider {
    @Override
    public String[] getVersion() {
        String version = Main.class.getPackage().getImplementationVersion();
        return new String[] {"virtio-backend " + (version == null ? "(not packaged)" : version)};
    }
}
