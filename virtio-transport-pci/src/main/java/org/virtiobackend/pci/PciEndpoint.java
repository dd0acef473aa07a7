package org.virtiobackend.pci;

import static org.virtiobackend.pci.PciRegisters.*;

import io.netty.buffer.ByteBuf;
import java.util.function.BooleanSupplier;

/**
 * The configuration side of a PCI Express endpoint: header, BARs, power management, MSI-X, function level reset. The
 * owner adds BARs and vendor capabilities before a bus sees it, then forwards configuration accesses.
 *
 * <p>Accesses of any width at any offset are served; nothing a bus can write here is an error. The control thread calls
 * everything except the three readers {@link #isMsixEnabled}, {@link #isIntxEnabled} and {@link BarWindow}.
 */
public final class PciEndpoint {
    /** BAR that holds the MSI-X table and the pending bits. */
    public static final int MSIX_BAR = 1;

    private static final int COMMAND_WRITABLE =
            COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_PARITY | COMMAND_SERR | COMMAND_INTX_DISABLE;
    private static final int PM_LENGTH = 8;
    private static final int PM_VERSION_3 = 3;
    private static final int PM_NO_SOFT_RESET = 1 << 3;
    private static final int EXPRESS_LENGTH = 0x14;
    private static final int EXPRESS_VERSION_1_ENDPOINT = 1;
    private static final int DEVCAP_ROLE_BASED_ERRORS = 1 << 15;
    private static final int DEVCTL_DEFAULT = 0x2810;
    private static final int DEVCTL_WRITABLE = 0x78ff;
    private static final int LINK_2_5GT_X1 = 0x11;
    private static final int LNKCTL_WRITABLE = 0xcb;
    private static final int MSIX_LENGTH = 12;
    private static final int INTX_PIN_A = 1;

    private final ConfigSpace config = new ConfigSpace();
    private final CapabilityList capabilities = new CapabilityList(config);
    private final BarSet bars = new BarSet(config);
    private final MsixTable msix;
    private final int pmOffset;
    private final int expressOffset;
    private final int msixOffset;
    private EndpointListener listener;
    private BooleanSupplier interruptStatus = () -> false;

    private boolean busMaster;
    private volatile boolean msixEnabled;
    private volatile boolean intxEnabled = true;

    /** @param msixVectors 1 to 2048, or 0 for a function with INTx only */
    public PciEndpoint(PciIdentity identity, int msixVectors) {
        defineHeader(identity);
        pmOffset = capabilities.add(CAP_ID_PM, PM_LENGTH);
        config.define(pmOffset + 2, 2, PM_VERSION_3, 0);
        config.define(pmOffset + PM_CONTROL, 2, PM_NO_SOFT_RESET, PM_STATE_MASK);
        expressOffset = capabilities.add(CAP_ID_EXPRESS, EXPRESS_LENGTH);
        defineExpress();
        msix = msixVectors == 0 ? null : new MsixTable(msixVectors);
        msixOffset = msix == null ? 0 : defineMsix();
    }

    private void defineHeader(PciIdentity identity) {
        config.define(VENDOR_ID, 2, identity.vendorId(), 0);
        config.define(DEVICE_ID, 2, identity.deviceId(), 0);
        config.define(COMMAND, 2, 0, COMMAND_WRITABLE);
        config.define(STATUS, 2, STATUS_CAP_LIST, 0);
        config.define(REVISION_ID, 1, identity.revision(), 0);
        config.define(CLASS_CODE, 3, identity.classCode(), 0);
        config.define(CACHE_LINE_SIZE, 1, 0, 0xff);
        config.define(SUBSYSTEM_VENDOR_ID, 2, identity.subsystemVendorId(), 0);
        config.define(SUBSYSTEM_ID, 2, identity.subsystemId(), 0);
        config.define(INTERRUPT_LINE, 1, 0, 0xff);
        config.define(INTERRUPT_PIN, 1, INTX_PIN_A, 0);
    }

    /** Version 1 of the structure: the longer version 2 leaves no room for the virtio capabilities in 192 bytes. */
    private void defineExpress() {
        config.define(expressOffset + 2, 2, EXPRESS_VERSION_1_ENDPOINT, 0);
        config.define(expressOffset + EXPRESS_DEVCAP, 4, DEVCAP_FLR | DEVCAP_ROLE_BASED_ERRORS, 0);
        config.define(expressOffset + EXPRESS_DEVCTL, 2, DEVCTL_DEFAULT, DEVCTL_WRITABLE);
        config.define(expressOffset + 0x0c, 4, LINK_2_5GT_X1, 0);
        config.define(expressOffset + 0x10, 2, 0, LNKCTL_WRITABLE);
        config.define(expressOffset + 0x12, 2, LINK_2_5GT_X1, 0);
    }

    private int defineMsix() {
        int offset = capabilities.add(CAP_ID_MSIX, MSIX_LENGTH);
        config.define(offset + MSIX_CONTROL, 2, msix.vectors() - 1, MSIX_ENABLE | MSIX_FUNCTION_MASK);
        config.define(offset + MSIX_TABLE, 4, MSIX_BAR, 0);
        config.define(offset + MSIX_PBA, 4, msix.pbaOffset() | MSIX_BAR, 0);
        bars.addMemory32(MSIX_BAR, PciRegion.trapped(msix.barSize()));
        return offset;
    }

    /**
     * Names the owner.
     *
     * @param interruptStatus whether the function has an interrupt pending, for the STATUS register and INTx
     */
    public void setOwner(EndpointListener owner, BooleanSupplier interruptStatus) {
        this.listener = owner;
        this.interruptStatus = interruptStatus;
    }

    /** To add BARs to. */
    public BarSet bars() {
        return bars;
    }

    /** To add vendor capabilities to; the MSI-X BAR and the standard ones are there. */
    public CapabilityList capabilities() {
        return capabilities;
    }

    /** The registers themselves. */
    public ConfigSpace config() {
        return config;
    }

    /** The vectors, null when the function has none. */
    public MsixTable msix() {
        return msix;
    }

    /** Where the messages of the vectors go from now on; what is pending is sent. */
    public void connect(InterruptSink sink) {
        if (msix != null) {
            msix.connect(sink);
        }
    }

    /** Any thread. */
    public boolean isMsixEnabled() {
        return msixEnabled;
    }

    /** Whether a pending interrupt asserts the pin: MSI-X is off and INTx not disabled. Any thread. */
    public boolean isIntxEnabled() {
        return intxEnabled;
    }

    /** Whether the function may access memory: COMMAND.MASTER in D0. */
    public boolean isBusMaster() {
        return busMaster;
    }

    /** Appends {@code length} bytes of the configuration space; what lies beyond its end reads as 0. */
    public void read(long offset, int length, ByteBuf out) {
        for (int i = 0; i < length; i++) {
            out.writeByte(readByte(offset + i));
        }
    }

    private int readByte(long offset) {
        if (offset < 0 || offset >= CONFIG_SIZE) {
            return 0;
        }
        int value = config.get((int) offset);
        if (offset == STATUS && !msixEnabled && interruptStatus.getAsBoolean()) {
            value |= STATUS_INTERRUPT; // virtio 1.4 4.1.4.5.1
        }
        return value;
    }

    /** Takes {@code length} bytes from {@code in} and writes them. */
    public void write(long offset, int length, ByteBuf in) {
        boolean flr = false;
        int powerState = powerState();
        for (int i = 0; i < length; i++) {
            long at = offset + i;
            int value = in.readUnsignedByte();
            if (at >= 0 && at < CONFIG_SIZE) {
                config.write((int) at, value);
                flr |= at == expressOffset + EXPRESS_DEVCTL + 1 && (value & DEVCTL_FLR >> 8) != 0;
            }
        }
        if (powerState() != PM_STATE_D0 && powerState() != PM_STATE_D3HOT) {
            // A state that the function does not have: the write is discarded.
            setPowerState(powerState);
        }
        if (flr) {
            listener.functionLevelReset();
        } else {
            apply();
        }
    }

    /** All registers back to power-on. The owner is told nothing: it does this as part of its own reset. */
    public void reset() {
        config.reset();
        busMaster = false;
        msixEnabled = false;
        intxEnabled = true;
        bars.update(false);
        if (msix != null) {
            msix.reset();
        }
    }

    /** Derives everything from the registers, and tells the owner what changed. */
    private void apply() {
        int command = (int) config.get(COMMAND, 2);
        boolean poweredOn = powerState() == PM_STATE_D0;
        boolean master = poweredOn && (command & COMMAND_MASTER) != 0;
        if (!master) {
            setBusMaster(false); // before the BARs go: who still works has addresses in them
        }
        bars.update(poweredOn && (command & COMMAND_MEMORY) != 0);
        applyInterruptMode(command);
        setBusMaster(master);
    }

    private void setBusMaster(boolean master) {
        if (master != busMaster) {
            busMaster = master;
            listener.busMasterChanged(master);
        }
    }

    private void applyInterruptMode(int command) {
        int control = msix == null ? 0 : (int) config.get(msixOffset + MSIX_CONTROL, 2);
        boolean newMsix = (control & MSIX_ENABLE) != 0;
        boolean newIntx = !newMsix && (command & COMMAND_INTX_DISABLE) == 0;
        boolean changed = newMsix != msixEnabled || newIntx != intxEnabled;
        msixEnabled = newMsix;
        intxEnabled = newIntx;
        if (msix != null) {
            msix.setFunctionMasked((control & MSIX_FUNCTION_MASK) != 0);
        }
        if (changed) {
            listener.interruptModeChanged();
        }
    }

    private int powerState() {
        return config.get(pmOffset + PM_CONTROL) & PM_STATE_MASK;
    }

    private void setPowerState(int state) {
        int other = config.get(pmOffset + PM_CONTROL) & ~PM_STATE_MASK;
        config.set(pmOffset + PM_CONTROL, 1, other | state);
    }
}
