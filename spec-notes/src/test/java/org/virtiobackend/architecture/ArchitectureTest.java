package org.virtiobackend.architecture;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The dependency rules; spec-notes/decisions says why. */
class ArchitectureTest {
    private static final String R = "org.virtiobackend.";
    private static final String[] DRIVER_SIDE = {"..driver..", "..client.."};

    private static JavaClasses program;

    @BeforeAll
    static void read() {
        program = new ClassFileImporter()
                .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
                .importPackages("org.virtiobackend");
    }

    @Test
    void modulesFormOneLine() {
        layeredArchitecture()
                .consideringOnlyDependenciesInLayers()
                .layer("swiotlb")
                .definedBy(R + "posix..", R + "dma..", R + "swiotlb..")
                .layer("virtio-devices")
                .definedBy(R + "virtio", R + "virtio.queue..", R + "virtio.device..", R + "devices..")
                .layer("virtio-transport-pci")
                .definedBy(R + "pci..", R + "virtio.pci..")
                .layer("vfio-user-bridge")
                .definedBy(R + "vfiouser..", R + "cli..")
                .optionalLayer("spec-notes")
                .definedBy(R + "conformance..")
                .whereLayer("spec-notes")
                .mayNotBeAccessedByAnyLayer()
                .whereLayer("vfio-user-bridge")
                .mayOnlyBeAccessedByLayers("spec-notes")
                .whereLayer("virtio-transport-pci")
                .mayOnlyBeAccessedByLayers("vfio-user-bridge", "spec-notes")
                .whereLayer("virtio-devices")
                .mayOnlyBeAccessedByLayers("virtio-transport-pci", "vfio-user-bridge", "spec-notes")
                .check(program);
    }

    @Test
    void packagesHaveNoCycles() {
        slices().matching("org.virtiobackend.(**)").should().beFreeOfCycles().check(program);
    }

    @Test
    void deviceSideNeverLooksAtTheDriverSide() {
        noClasses()
                .that(not(resideInAnyPackage("..driver..", "..client..", R + "cli..", R + "conformance..")))
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(DRIVER_SIDE)
                .check(program);
    }

    @Test
    void jnaStaysInThePosixPackage() {
        noClasses()
                .that()
                .resideOutsideOfPackage(R + "posix..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("com.sun.jna..")
                .check(program);
    }

    @Test
    void memoryOrderStaysInTheDmaPackage() {
        noClasses()
                .that()
                .resideOutsideOfPackage(R + "dma..")
                .should()
                .dependOnClassesThat()
                .haveFullyQualifiedName("java.lang.invoke.VarHandle")
                .check(program);
    }

    @Test
    void devicesSeeNoTransportAndNoSibling() {
        noClasses()
                .that()
                .resideInAPackage(R + "devices..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(R + "pci..", R + "virtio.pci..", R + "vfiouser..", R + "cli..")
                .check(program);
        noClasses()
                .that()
                .resideInAPackage(R + "devices..")
                .should()
                .dependOnClassesThat()
                .haveSimpleName("DmaMap")
                .check(program);
        slices().matching(R + "devices.(*)..").should().notDependOnEachOther().check(program);
    }

    @Test
    void queuesKnowSpacesOnly() {
        noClasses()
                .that()
                .resideInAPackage(R + "virtio.queue..")
                .should()
                .dependOnClassesThat()
                .haveSimpleName("DmaMap")
                .orShould()
                .dependOnClassesThat()
                .haveSimpleName("BarMemory")
                .orShould()
                .dependOnClassesThat()
                .resideInAnyPackage(R + "devices..", R + "virtio.device..")
                .check(program);
    }

    @Test
    void pciKnowsNoVirtio() {
        noClasses()
                .that()
                .resideInAPackage(R + "pci..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(R + "virtio..", R + "devices..", R + "vfiouser..")
                .check(program);
    }

    @Test
    void transportKnowsNoDeviceAndNoProtocol() {
        noClasses()
                .that()
                .resideInAPackage(R + "virtio.pci..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(R + "devices..", R + "vfiouser..", R + "cli..")
                .check(program);
    }

    @Test
    void wireFormatsDoNoInputOrOutput() {
        classes()
                .that()
                .resideInAPackage(R + "vfiouser.wire..")
                .should()
                .onlyDependOnClassesThat(resideInAPackage("java..")
                        .or(resideInAPackage("io.netty.."))
                        .or(resideInAPackage(R + "vfiouser.wire..")))
                .check(program);
    }

    @Test
    void onlyCommandsNameDevices() {
        noClasses()
                .that(not(resideInAnyPackage(R + "cli..", R + "conformance..", R + "devices..")))
                .should()
                .dependOnClassesThat()
                .resideInAPackage(R + "devices..")
                .check(program);
    }

    @Test
    void loggingGoesThroughTheApi() {
        noClasses()
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.slf4j.simple..")
                .check(program);
    }
}
