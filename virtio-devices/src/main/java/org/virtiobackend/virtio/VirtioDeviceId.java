package org.virtiobackend.virtio;

/** Device type numbers (virtio 1.4 chapter 5). */
public final class VirtioDeviceId {
    public static final int NET = 1;
    public static final int BLOCK = 2;
    public static final int FS = 26;

    private VirtioDeviceId() {}
}
