package org.virtiobackend.vfiouser.server;

import org.virtiobackend.pci.InterruptSink;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.vfiouser.socket.Frame;
import org.virtiobackend.vfiouser.wire.Irq;
import org.virtiobackend.vfiouser.wire.SetIrqsPayload;

/**
 * A function's interrupts as the eventfds that its client has connected. Firing comes from any thread, takes no lock and
 * blocks only until {@link #freeStuck} finds out, when a client makes its eventfd block; SET_IRQS belongs to the session's thread.
 */
final class IrqEventFds implements InterruptSink, AutoCloseable {
    private final PciFunction function;
    private final IrqVector[] msix;
    private final IntxLine intx;
    private final IrqVector error = new IrqVector();
    private final IrqVector request = new IrqVector();

    IrqEventFds(PciFunction function) {
        this.function = function;
        msix = new IrqVector[function.msixVectors()];
        for (int i = 0; i < msix.length; i++) {
            msix[i] = new IrqVector();
        }
        intx = new IntxLine(function::intxAsserted);
    }

    @Override
    public boolean msix(int vector) {
        return vector >= 0 && vector < msix.length && msix[vector].fire();
    }

    @Override
    public void intx() {
        intx.fire();
    }

    /** Vectors of an interrupt index. */
    int count(int index) {
        return switch (index) {
            case Irq.INTX, Irq.ERR, Irq.REQ -> 1;
            case Irq.MSIX -> msix.length;
            default -> 0;
        };
    }

    /** Flags of an interrupt index, see {@link Irq}. */
    static int flags(int index) {
        return index == Irq.INTX ? Irq.FLAG_EVENTFD | Irq.FLAG_MASKABLE | Irq.FLAG_AUTOMASKED : Irq.FLAG_EVENTFD;
    }

    /** What to watch for a client that unmasks INTx by an eventfd, or null. */
    Fd unmaskFd() {
        return intx.unmaskFd();
    }

    void takeUnmask() {
        intx.takeUnmask();
    }

    /** See {@link CountedEventFd#freeStuck}; one watching thread. */
    boolean freeStuck() {
        boolean stuck = intx.freeStuck() | error.freeStuck() | request.freeStuck();
        for (IrqVector vector : msix) {
            stuck |= vector.freeStuck();
        }
        return stuck;
    }

    /**
     * Executes SET_IRQS.
     *
     * @param frame its descriptors are taken when all of them are good
     * @return 0 or an error number
     */
    int set(SetIrqsPayload set, Frame frame) {
        if (set.index() >= Irq.COUNT) {
            return Errno.EINVAL;
        }
        int index = (int) set.index();
        if (!set.isValid(frame.payloadLength(), frame.fdCount(), count(index)) || !isSupported(set, index)) {
            return Errno.EINVAL;
        }
        for (int i = 0; i < frame.fdCount(); i++) {
            if (!ClientEventFd.accept(frame.fd(i))) {
                return Errno.EINVAL;
            }
        }
        if (set.count() == 0) {
            disable(index);
        }
        int first = (int) set.start();
        for (int i = 0; i < set.count(); i++) {
            if (set.data() == SetIrqsPayload.DATA_EVENTFD) {
                EventFd eventFd = frame.fdCount() == 0 ? null : EventFd.adopt(frame.takeFd(i));
                connect(index, first + i, set.action(), eventFd);
            } else if (set.data() == SetIrqsPayload.DATA_NONE || set.isChosen(i)) {
                act(index, first + i, set.action());
            }
        }
        return 0;
    }

    /** Disconnects everything; interrupts fired later go nowhere. */
    @Override
    public void close() {
        for (int index = 0; index < Irq.COUNT; index++) {
            disable(index);
        }
    }

    private static boolean isSupported(SetIrqsPayload set, int index) {
        boolean trigger = set.action() == SetIrqsPayload.ACTION_TRIGGER;
        if (index == Irq.ERR || index == Irq.REQ) {
            return trigger;
        }
        boolean eventFd = set.data() == SetIrqsPayload.DATA_EVENTFD;
        boolean unmaskIntx = set.action() == SetIrqsPayload.ACTION_UNMASK && index == Irq.INTX;
        return !eventFd || trigger || unmaskIntx;
    }

    private void connect(int index, int vector, int action, EventFd eventFd) {
        if (action == SetIrqsPayload.ACTION_UNMASK) {
            intx.connectUnmask(eventFd);
        } else if (index == Irq.INTX) {
            intx.connect(eventFd);
        } else {
            vector(index, vector).connect(eventFd);
            if (index == Irq.MSIX && eventFd != null) {
                function.vectorConnected(vector);
            }
        }
    }

    private void act(int index, int vector, int action) {
        if (index == Irq.INTX) {
            switch (action) {
                case SetIrqsPayload.ACTION_MASK -> intx.mask();
                case SetIrqsPayload.ACTION_UNMASK -> intx.unmask();
                default -> intx.trigger();
            }
            return;
        }
        IrqVector target = vector(index, vector);
        switch (action) {
            case SetIrqsPayload.ACTION_MASK -> target.mask();
            case SetIrqsPayload.ACTION_UNMASK -> target.unmask();
            default -> target.fire();
        }
    }

    private IrqVector vector(int index, int vector) {
        return switch (index) {
            case Irq.MSIX -> msix[vector];
            case Irq.ERR -> error;
            default -> request;
        };
    }

    private void disable(int index) {
        switch (index) {
            case Irq.INTX -> intx.disable();
            case Irq.MSIX -> {
                for (IrqVector vector : msix) {
                    vector.disable();
                }
            }
            case Irq.ERR -> error.disable();
            case Irq.REQ -> request.disable();
            default -> {
                // MSI has no vectors.
            }
        }
    }
}
